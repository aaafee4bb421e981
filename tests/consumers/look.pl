# What a list of images would show of `segmake look FOLDER --json`: each line as it comes.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

my $seen = 0;
while (my $line = <STDIN>) {
    my $answer = decode_json($line);
    if ($answer->{answer} eq "look.file") {
        my @words = ($answer->{name});
        my $first = $answer->{positions}[0];
        push @words, "$first->{width}x$first->{height}", join("/", @{ $first->{channels} }) if $first;
        push @words, "picture" if $answer->{picture} && -s $answer->{picture};
        push @words, map { "$_->{code} $_->{text}" } @{ $answer->{problems} };
        print ++$seen, "/$answer->{of} ", join(" ", @words), "\n";
    } elsif ($answer->{answer} eq "look") {
        print "$answer->{files} images, $answer->{faulty} faulty\n";
    }
}
