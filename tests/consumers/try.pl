# What a page would show of `segmake try --json`: how far the trial is, then what it found.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

while (my $line = <STDIN>) {
    my $answer = decode_json($line);
    print "$_->{code} $_->{text}\n" for @{ $answer->{problems} };
    next if $answer->{answer} eq "error";
    my @found = defined $answer->{cells} ? ("$answer->{cells} cells", sprintf "%.1f px", $answer->{diameter} // 0) : ();
    print join(" ", $answer->{state}, @found), "\n";
}
