# What a page would show of `segmake cluster --json`: where GPUs are free, and what the user's jobs do.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

my $answer = decode_json(join "", <STDIN>);
print "$_->{code} $_->{text}\n" for @{ $answer->{problems} };
for my $partition (@{ $answer->{partitions} || [] }) {
    my @gpus = map { "$_->{free}/$_->{total} " . ($_->{model} // "GPU") } @{ $partition->{gpus} };
    print "$partition->{name}: ", ($partition->{up} ? "open" : "closed"), " @gpus\n";
}
for my $job (@{ $answer->{jobs} || [] }) {
    my $work = join " ", grep { defined } $job->{rule}, $job->{batch}, $job->{why}, $job->{experiment};
    print "$job->{id} $job->{state} $work\n";
}
