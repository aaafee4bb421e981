# What an editor would show of `segmake set --json`: each setting that is another one now, with its line; or why none is.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

my $answer = decode_json(join "", <STDIN>);
print "$_->{code} $_->{text} $_->{remedy}\n" for @{ $answer->{problems} };
for my $change (@{ $answer->{changed} // [] }) {
    my ($before, $after) = map { $_ // "-" } @{$change}{qw(before after)};
    my $line = defined $change->{line} ? "line $change->{line}: " : "";
    print "$line$change->{name}: $before -> $after\n";
}
