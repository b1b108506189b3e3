"""A Slurm cluster of this machine: slurmctld, some slurmds and munged with a configuration, ports and folder of their own.

Nothing outside the folder is touched: no service, no /etc/slurm, no accounting. All of it ends with the `with` block.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

CONF = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
JobRequeue=0
SlurmdTimeout=20
PrologFlags=NoHold
DebugFlags=NO_CONF_HASH
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
"""


def missing():
    """What is not installed; empty when a cluster can be started."""
    found = [name for name in ("slurmctld", "slurmd", "munged", "sbatch", "scancel") if not shutil.which(name)]
    return found if os.geteuid() == 0 else found + ["root"]


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    def __init__(self, nodes=4, cpus=5):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slurm."))
        self.folder.chmod(0o755)
        self.nodes, self.cpus, self.daemons = [f"n{i}" for i in range(1, nodes + 1)], cpus, []
        self.env = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self):
        host, ports = socket.gethostname(), free_ports(len(self.nodes) + 1)
        lines = [f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} State=UNKNOWN"
                 for name, port in zip(self.nodes, ports[1:])]
        (self.folder / "slurm.conf").write_text(CONF.format(host=host, port=ports[0], folder=self.folder,
                                                            nodes="\n".join(lines)))
        for name in ["state", *(f"spool.{node}" for node in self.nodes)]:
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        try:
            self.start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", f"--key-file={key}",
                       f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
                       f"--seed-file={self.folder}/munge.seed")
            self.until(lambda: (self.folder / "munge.socket").exists(), "munged has no socket")
            self.start("slurmctld", "-D", "-c")
            for node in self.nodes:
                self.start("slurmd", "-D", "-N", node)
            self.until(lambda: self.call("sinfo", "-h", "-o", "%T", check=False).stdout.split() == ["idle"],
                       "the nodes are not idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if any(name == "slurmctld" and p.poll() is None for name, p in self.daemons):
            self.call("scancel", "--signal=KILL", "--user=root", check=False)
            time.sleep(0.5)
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for _, p in reversed(self.daemons):
                if p.poll() is None:
                    p.send_signal(sig)
            end = time.monotonic() + 10
            while time.monotonic() < end and any(p.poll() is None for _, p in self.daemons):
                time.sleep(0.05)
        for name in ("slurmstepd", "harness"): # those whose watcher was killed
            for pid, _, text in self.processes(name):
                if str(self.folder) in text:
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, *args):
        number = len(self.daemons)
        with open(self.folder / f"{number}.{name}.out", "wb") as out:
            self.daemons.append((name, subprocess.Popen([shutil.which(name), *args], env=self.env, stdout=out,
                                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)))

    def until(self, done, complaint, seconds=60):
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                said = "\n".join(f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}"
                                 for path in sorted(self.folder.glob("*.out")))
                raise TimeoutError(f"{complaint}\n{said}")
            time.sleep(0.1)

    def call(self, *args, check=True, **kwargs):
        done = subprocess.run([str(a) for a in args], env=self.env, capture_output=True, text=True, timeout=120, **kwargs)
        assert not check or done.returncode == 0, done.stderr
        return done

    def queue(self):
        """(job, state) of all that wait or run: "17_3", "RUNNING"."""
        lines = self.call("squeue", "-h", "-r", "-o", "%i %T").stdout.split("\n")
        return [tuple(line.split()) for line in lines if line]

    @staticmethod
    def processes(name):
        """(pid, parent, environment and arguments) of the processes with this name."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "comm").read_text().strip() != name:
                    continue
                text = ((entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()).decode(errors="replace")
                found.append((int(entry.name), int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]), text))
            except OSError:
                continue
        return found
