# Lets source("helper.R") find what lies beside a script, which is run in its folder of outputs, as import does in Python.
# R reads this in place of the user's own profile, which is read first.
local({
  own <- path.expand("~/.Rprofile")
  if (file.exists(own)) sys.source(own, envir = globalenv())
  beside <- function(file) {
    if (!is.character(file) || length(file) != 1L || file.exists(file)) return(file)
    there <- file.path(Sys.getenv("SEGMAKE_SCRIPT_FOLDER"), file)
    if (file.exists(there)) there else file
  }
  found <- function(file, local = FALSE, ...) {
    if (isTRUE(local)) local <- parent.frame()
    if (missing(file)) base::source(local = local, ...) else base::source(beside(file), local = local, ...)
  }
  attach(list(source = found), name = "segmake", warn.conflicts = FALSE)
})
