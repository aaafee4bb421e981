# What a page would show of `segmake remote check --json`: whether the other computer is ready, and what is free there.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

my $answer = decode_json(join "", <STDIN>);
print "$_->{code} $_->{text} $_->{remedy}\n" for @{ $answer->{problems} };
exit if $answer->{answer} eq "error";
print "$answer->{host}: ", $answer->{reachable} ? "reachable" : "not reachable", "\n";
print "SegMake $answer->{version_there}, ", $answer->{slurm} ? "with" : "without", " Slurm\n" if defined $answer->{version_there};
printf "%s: %.0f GB free\n", $answer->{folder}, $answer->{free_bytes} / 1e9 if defined $answer->{free_bytes};
