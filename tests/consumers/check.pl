# What a form would show of `segmake check --json`: each mistake at its setting, in the user's language.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

my $answer = decode_json(join "", <STDIN>);
print "$answer->{config}: ", $answer->{usable} ? "usable" : "not usable", "\n";
for my $problem (@{ $answer->{problems} }) {
    my $place = $problem->{key} // $problem->{file} // $problem->{where};
    $place .= " ($problem->{line})" if defined $problem->{line};
    print "$problem->{code} $place: $problem->{text} $problem->{remedy}\n";
}
