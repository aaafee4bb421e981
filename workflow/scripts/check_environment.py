"""Imports the packages of an environment once, looks for what scripts import, and writes down the versions in it.

It runs with the Python of that environment, which need not have anything of SegMake: standard library only. What is
wrong is printed as a word per package on the last line; the log has the details.
"""

import argparse
import importlib
import importlib.metadata
import importlib.util
import sys
import traceback


def is_there(module):
    """Return whether a module can be imported, without doing so."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def main():
    """Check the packages, and return the exit code: 1 if one of them can't be used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "packages", nargs="+", help="PROJECT=MODULE, or PROJECT= to look for it only"
    )
    parser.add_argument("--out", required=True, help="file for the versions")
    parser.add_argument("--log", required=True, help="file for what went wrong")
    parser.add_argument("--message", required=True, help="what to say of packages that failed")
    parser.add_argument("--imports", nargs="*", default=[], help="MODULE=SCRIPT, to look for it")
    parser.add_argument("--missing", default="", help="what to say of modules that are not there")
    options = parser.parse_args()
    failed = []
    with open(options.log, "w", encoding="utf-8") as log:
        for package in options.packages:
            project, _, module = package.partition("=")
            try:
                importlib.metadata.version(project)
                if module:
                    importlib.import_module(module)
            # A package may fail in any way while it is imported.
            except BaseException:
                failed.append(project)
                log.write(f"{project}:\n{traceback.format_exc()}\n")
    if failed:
        words = options.message.replace("PACKAGES", ", ".join(failed))
        print(words.replace("PREFIX", sys.prefix), file=sys.stderr)
        return 1
    lacking = [words for words in options.imports if not is_there(words.partition("=")[0])]
    if lacking:
        words = ", ".join("{} ({})".format(*one.split("=", 1)) for one in lacking)
        print(options.missing.replace("MODULES", words), file=sys.stderr)
        return 1
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    with open(options.out, "w", encoding="utf-8") as out:
        out.write(f"python=={'.'.join(map(str, sys.version_info[:3]))}\n")
        for name in sorted(filter(None, found), key=str.lower):
            out.write(f"{name}=={found[name]}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        # A disk that is full: SegMake says what to do about it when the run ends.
        sys.exit(str(error))
