"""What the role `host` left on the host, as root inside it sees it."""

from tests.lab import Lab

HOST = Lab().host("h1")
PORTS = (6379, 6380, 6381)


def said(command: str) -> str:
    return HOST.exec(command).stdout.strip()


def test_the_servers_run_and_will_after_a_boot() -> None:
    for port in PORTS:
        assert said(f"systemctl is-active shardwright-trial@{port}") == "active"
        assert said(f"systemctl is-enabled shardwright-trial@{port}") == "enabled"
        pid = said(f"systemctl show -p MainPID --value shardwright-trial@{port}")
        assert said(f"ps -o user= -p {pid}") == "shardwright"
    listening = said("ss -Hltn | awk '{ print $4 }'").splitlines()
    assert {f"{HOST.address}:{port}" for port in PORTS} <= set(listening)


def test_the_configuration_is_closed_to_others() -> None:
    assert said("stat -c '%a %U %G' /etc/shardwright/trial") == "750 root shardwright"
    for port in PORTS:
        assert said(f"stat -c '%a %U %G' /etc/shardwright/trial/{port}.conf") == "640 root shardwright"
        assert said(f"stat -c '%a %U' /var/lib/shardwright/trial/{port}") == "700 shardwright"
    assert "Permission denied" in HOST.ssh("cat /etc/shardwright/trial/6379.conf", check=False).stderr


def test_the_kernel_is_set_now_and_after_a_boot() -> None:
    assert said("cat /proc/sys/vm/swappiness") == "1"
    assert int(said("cat /proc/sys/net/core/somaxconn")) >= 4096
    assert "vm.swappiness" in said("cat /etc/sysctl.d/60-shardwright-trial.conf")


def test_nothing_of_the_way_there_is_left() -> None:
    assert said("ls -d /run/shardwright-run.* /home/deploy/.ansible* /root/.ansible* 2>/dev/null; true") == ""
    assert said("journalctl | grep -c a-password-for-molecule-only; true") == "0"
