/** Of the guest's one network card (QEMU's user network), and where the door is on it. */
export const doorAddress = "10.0.2.15";
export const doorPort = 7_000;
/** Asks whether somebody is there. */
export const knock = "knock";
/** A file in the machine that is there from when the door is: before that, who knocks is reset. */
export const doorSign = "/run/door-is-open";

/**
 * A door into the machine for tests that run beside it: each connection begins with a line, the path of a socket in the machine, which it is led to, or `sh`, behind which
 * come scripts, or {@link knock}, which is answered with the same. In Perl, which every Debian has: it is there in a fraction of a second, where Node takes ten. It forks for shells alone, as each time takes an emulated
 * machine a tenth of a second.
 */
export const door = `
use IO::Socket::INET; use IO::Socket::UNIX; use IO::Select;
$SIG{CHLD} = "IGNORE"; $SIG{PIPE} = "IGNORE";
my $door = IO::Socket::INET->new(LocalPort => ${doorPort}, Listen => 128, ReuseAddr => 1) or die "no door: $!";
open my $sign, ">", "${doorSign}"; close $sign;
my $open = IO::Select->new($door);
my %other;
sub leave {
  my ($one) = @_;
  for my $each (grep { defined } $one, delete $other{$one}) { delete $other{$each}; $open->remove($each); close $each }
}
sub enter {
  my ($far) = @_;
  recv($far, my $first, 4096, MSG_PEEK);
  my $end = index($first, "\n");
  return leave($far) if $end < 0;
  sysread($far, my $line, $end + 1);
  my $what = substr($line, 0, $end);
  if ($what eq "${knock}") { syswrite($far, "${knock}\n"); return leave($far) }
  if ($what eq "sh") {
    if (!fork) {
      close $door;
      $SIG{CHLD} = "DEFAULT"; $SIG{PIPE} = "DEFAULT";
      open STDIN, "<&", $far; open STDOUT, ">&", $far; open STDERR, ">&", $far;
      exec "/bin/sh", "-s";
    }
    return leave($far);
  }
  my $near = IO::Socket::UNIX->new(Peer => $what) or return leave($far);
  ($other{$far}, $other{$near}) = ($near, $far);
  $open->add($near);
}
while (1) {
  for my $from ($open->can_read) {
    if ($from == $door) { if (my $far = $door->accept) { $open->add($far) } next }
    next if !$open->exists($from);
    my $to = $other{$from};
    if (!$to) { enter($from); next }
    my $length = sysread($from, my $bytes, 65536);
    if (!$length) { leave($from); next }
    for (my $sent = 0; $sent < $length; ) { my $more = syswrite($to, $bytes, $length - $sent, $sent); if (!$more) { leave($from); last } $sent += $more }
  }
}
`;
