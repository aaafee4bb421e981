# What a page would show of `segmake jupyter --json`: each JupyterLab, why it waits, or the link that opens it.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

my $answer = decode_json(join "", <STDIN>);
print "$_->{code}: $_->{text}\n" for @{ $answer->{problems} };
for my $lab (@{ $answer->{sessions} // [] }) {
    print "$lab->{environment}: $lab->{state}";
    print " ($lab->{reason})" if defined $lab->{reason};
    print " on $lab->{node}: $lab->{url}" if defined $lab->{url};
    print "\n";
}
