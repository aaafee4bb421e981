# What a page would show of `segmake status --json`: the state, the images, what waits, what failed.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

my $answer = decode_json(join "", <STDIN>);
print "$answer->{state}";
if (my $images = $answer->{images}) {
    print ": $images->{total} images, $images->{complete} done, $images->{failed} failed";
}
print "\n";
print "$_->{step}: $_->{done} done, $_->{left} left\n" for @{ $answer->{steps} };
print "$_->{code} $_->{name}: $_->{text}\n" for @{ $answer->{failures} };
if (my $slurm = $answer->{slurm}) {
    print scalar(@{ $slurm->{jobs} }), " jobs, $slurm->{age_seconds} s ago\n";
    print "$_->{text}\n" for @{ $slurm->{reasons} };
}
print "$_->{code}: $_->{text}\n" for @{ $answer->{problems} };
