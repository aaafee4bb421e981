# What a form would show of `segmake get --json`: each setting with its value, and where it comes from.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

my $answer = decode_json(join "", <STDIN>);
print "$_->{code} $_->{text}\n" for @{ $answer->{problems} };
my $json = JSON::PP->new->allow_nonref->canonical;
for my $setting (@{ $answer->{settings} // [] }) {
    my $value = ref $setting->{value} || !defined $setting->{value} ? $json->encode($setting->{value}) : $setting->{value};
    my $source = defined $setting->{source} ? " ($setting->{source})" : "";
    print "$setting->{name} = $value$source\n";
}
