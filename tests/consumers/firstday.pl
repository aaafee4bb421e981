# What was sent back of a first day: each step with what became of it, and why. Reads firstday.json.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ':encoding(UTF-8)';

my $day = decode_json(do { local $/; <STDIN> });
die "not a first day\n" unless $day->{answer} eq 'firstday' && $day->{version} == 1;
for my $step (@{ $day->{steps} }) {
    my $why = $step->{problem} ? " ($step->{problem}{code})" : '';
    print "$step->{name}: $step->{state}$why\n";
}
my $minutes = $day->{gpu_minutes};
print "$minutes->{used} of $minutes->{agreed} GPU minutes\n";
