"""What the role `storage` left on the host, as root inside it sees it."""

from tests.lab import Lab

HOST = Lab().host("h1")


def said(command: str) -> str:
    return HOST.exec(command).stdout.strip()


def test_the_file_system_is_mounted_once_now_and_after_a_boot() -> None:
    assert said("findmnt -no FSTYPE,TARGET /var/lib/shardwright").split() == ["tmpfs", "/var/lib/shardwright"]
    lines = said("grep /var/lib/shardwright /etc/fstab").splitlines()
    assert len(lines) == 1
    assert "nofail" in lines[0]


def test_the_hosts_own_line_is_still_there() -> None:
    assert said('grep -c "the host\'s own" /etc/fstab') == "1"


def test_nothing_else_was_done() -> None:
    assert said("ls -A /var/lib/shardwright") == ""
    assert said("ls -d /etc/shardwright /opt/shardwright 2>/dev/null; true") == ""
