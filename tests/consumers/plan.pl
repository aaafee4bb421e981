# What a page would show of `segmake plan --json`: what is to be done and why, what will fail, what is left out.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ":encoding(UTF-8)";

my $answer = decode_json(join "", <STDIN>);
if ($answer->{answer} eq "error") {
    print "$_->{code}: $_->{text}\n" for @{ $answer->{problems} };
    exit;
}
my $counts = $answer->{counts};
print "$counts->{found} images, $counts->{to_do} to do in $counts->{batches_to_do} batches\n";
for my $image (@{ $answer->{images} }) {
    next unless @{ $image->{to_do} };
    print "$image->{image}: $image->{reason} (", join(", ", @{ $image->{to_do} }), ")\n";
    print "  will fail: $image->{will_fail}{code} $image->{will_fail}{text}\n" if $image->{will_fail};
    print "  failed: $image->{failed_before}{code}\n" if $image->{failed_before};
}
print "$_->{name}: $_->{reason}\n" for @{ $answer->{left_out} };
print "$_->{name}: $_->{origin}\n" for @{ $answer->{settings} };
