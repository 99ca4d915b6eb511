#!/usr/bin/env python3
"""bnorm beside NumPy (the notebook's function) and PyTorch, in one process, repetition by repetition.

Prints CSV, its columns named as bnorm-bench's, one row for each shape and peer; `peer_ratio` is the peer's time over
bnorm's, in the same repetition. A table goes to stderr. Calls go by way of ctypes, which costs bnorm some 0.3 us a
call; the peers pay for their own way from Python, and NumPy and PyTorch allocate their outputs in every call, as their
users do.

    /usr/bin/python3 perf/peers.py build-perf/lib/libbnorm.so --threads 2 > results.csv
    /usr/bin/python3 perf/peers.py build-perf/lib/libbnorm.so --threads 2 --shapes resnet50 --layout nchw > images.csv
"""
import argparse
import ctypes
import math
import mmap
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

try:
    import numpy as np
except ImportError:
    sys.exit("needs NumPy (Debian: python3-numpy, and /usr/bin/python3 to run this)")
try:
    import torch
except ImportError:
    torch = None

MATRICES = ("200x3", "32x128", "256x1024", "4096x512", "1000x1000", "1024x4096", "8192x4096", "65536x64", "1048576x16",
            "100x30000")
RESNET50 = ("50x112x112x64", "50x56x56x256", "50x56x56x64", "50x28x28x512", "50x28x28x128", "50x14x14x1024",
            "50x14x14x256", "50x7x7x2048", "50x7x7x512")
COLUMNS = ("op,layout,dtype,shape,threads,isa,median_ms,best_ms,q1_ms,q3_ms,peer,peer_ms,peer_ratio,peer_ratio_q1,"
           "peer_ratio_q3,repetitions,interruptions_per_s,others").split(",")
EPS, RATE = 1e-5, 0.1
SAMPLE = 25e-6  # seconds that one sample lasts at least


# ---- bnorm -------------------------------------------------------------------------------------------------------

class Desc(ctypes.Structure):
    """bnorm_desc, abi 1. Fields that a later revision adds at its end find zeros, which mean their defaults."""
    _fields_ = ([("abi", ctypes.c_uint32), ("dtype", ctypes.c_int), ("layout", ctypes.c_int),
                 ("activation", ctypes.c_int)] +
                [(n, ctypes.c_size_t) for n in ("batch", "features", "spatial", "x_stride", "y_stride", "dx_stride",
                                                "dy_stride", "residual_stride", "dresidual_stride")] +
                [(n, ctypes.c_double) for n in ("eps", "update_rate", "negative_slope")] +
                [("biased_running_var", ctypes.c_bool), ("threads", ctypes.c_int), ("later", ctypes.c_char * 256)])


class Buffers(ctypes.Structure):
    """bnorm_buffers, abi 1."""
    _fields_ = ([(n, ctypes.c_void_p) for n in ("x", "dy", "residual", "gamma", "beta", "y", "dx", "dresidual", "dgamma",
                                                "dbeta", "running_mean", "running_var", "mean", "invstd", "workspace")] +
                [("workspace_size", ctypes.c_size_t), ("later", ctypes.c_char * 256)])


class Library:
    def __init__(self, path):
        self.lib = ctypes.CDLL(os.path.abspath(path))
        for name in ("bnorm_status_string", "bnorm_isa", "bnorm_version"):
            getattr(self.lib, name).restype = ctypes.c_char_p
        self.isa = self.lib.bnorm_isa().decode()
        self.version = self.lib.bnorm_version().decode()

    def check(self, status):
        if status:
            raise RuntimeError(self.lib.bnorm_status_string(status).decode())


# ---- Arrays ------------------------------------------------------------------------------------------------------

def array(shape, dtype=np.float32):
    """Page-aligned, huge pages where large: what bnorm-bench does."""
    count = math.prod(shape)
    size = max(count * np.dtype(dtype).itemsize, 1)
    pages = mmap.mmap(-1, size)
    if size >= 2 << 20 and hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
    a = np.frombuffer(pages, dtype=dtype, count=count).reshape(shape)
    a.fill(0)
    return a


class Case:
    """One shape: the arrays, and what each contestant calls."""

    def __init__(self, library, dims, layout, threads):
        self.layout, self.threads, self.library = layout, threads, library
        self.dims = dims  # as the values lie in memory
        random = np.random.default_rng(1)
        self.channels = c = dims[1] if layout == "nchw" else dims[-1]
        self.x, self.dy, self.y, self.dx = (array(dims) for _ in range(4))
        random.standard_normal(out=self.x, dtype=np.float32)
        self.x += 3
        random.standard_normal(out=self.dy, dtype=np.float32)
        self.gamma = (1 + 0.2 * random.standard_normal(c)).astype(np.float32)
        self.beta = random.standard_normal(c).astype(np.float32)
        self.running = np.zeros(c, np.float32), np.ones(c, np.float32)
        self.dgamma, self.dbeta = np.zeros(c, np.float32), np.zeros(c, np.float32)
        self.mean, self.invstd = np.zeros(c), np.zeros(c)
        self._describe()

    def _describe(self):
        lib, c = self.library.lib, self.channels
        spatial = math.prod(self.dims[2:] if self.layout == "nchw" else self.dims[1:-1])
        self.desc = Desc(abi=1, layout=int(self.layout == "nchw"), batch=self.dims[0], features=c, spatial=spatial,
                         eps=EPS, update_rate=RATE, threads=self.threads)
        size = ctypes.c_size_t()
        self.library.check(lib.bnorm_workspace_size(ctypes.byref(self.desc), ctypes.byref(size)))
        self.workspace = array((size.value + 64,), np.uint8)
        at = lambda a: a.ctypes.data
        self.buffers = Buffers(x=at(self.x), dy=at(self.dy), gamma=at(self.gamma), beta=at(self.beta), y=at(self.y),
                               dx=at(self.dx), dgamma=at(self.dgamma), dbeta=at(self.dbeta), mean=at(self.mean),
                               invstd=at(self.invstd), running_mean=at(self.running[0]),
                               running_var=at(self.running[1]), workspace=at(self.workspace),
                               workspace_size=size.value)

    def bnorm(self, op):
        lib = self.library.lib
        function = lib.bnorm_forward_training if op == "forward" else lib.bnorm_backward
        desc, buffers = ctypes.byref(self.desc), ctypes.byref(self.buffers)
        return lambda: function(desc, buffers)

    def numpy(self, op):
        """The notebook's function, on matrices: forward only."""
        if self.layout == "nchw" or op != "forward":
            return None
        x, gamma, beta = self.x.reshape(-1, self.channels), self.gamma, self.beta
        running = [a.copy() for a in self.running]
        eps, momentum = np.float32(EPS), np.float32(1 - RATE)

        def forward():
            mean = x.mean(axis=0)
            var = x.var(axis=0)
            xhat = (x - mean) / np.sqrt(var + eps)
            y = gamma * xhat + beta
            running[0] = momentum * running[0] + (1 - momentum) * mean
            running[1] = momentum * running[1] + (1 - momentum) * var
            return y
        return forward

    def pytorch(self, op):
        if torch is None:
            return None
        view = lambda a: (torch.from_numpy(a).permute(0, 3, 1, 2) if self.layout == "nhwc" else torch.from_numpy(a))
        x, dy = view(self.x), view(self.dy)
        gamma, beta = torch.from_numpy(self.gamma), torch.from_numpy(self.beta)
        mean, var = (torch.from_numpy(a.copy()) for a in self.running)
        if op == "forward":
            return lambda: torch.nn.functional.batch_norm(x, mean, var, gamma, beta, True, RATE, EPS)
        _, saved_mean, saved_invstd = torch.native_batch_norm(x, gamma, beta, mean, var, True, RATE, EPS)
        backward = torch.ops.aten.native_batch_norm_backward
        return lambda: backward(dy, x, gamma, mean, var, saved_mean, saved_invstd, True, EPS, [True, True, True])

    def agrees(self, op, peer_output):
        """Whether a peer's y, or dx, is bnorm's, to a thousandth."""
        ours = self.y if op == "forward" else self.dx
        if isinstance(peer_output, tuple):
            peer_output = peer_output[0]
        if torch is not None and isinstance(peer_output, torch.Tensor):
            if self.layout == "nhwc":
                peer_output = peer_output.permute(0, 2, 3, 1)
            peer_output = peer_output.numpy()
        return np.allclose(ours, peer_output.reshape(ours.shape), rtol=1e-3, atol=1e-3)


# ---- Timing ------------------------------------------------------------------------------------------------------

def sample(call, batch):
    """Seconds of one call, after an untimed one."""
    call()
    start = time.perf_counter()
    for _ in range(batch):
        call()
    return (time.perf_counter() - start) / batch


def contest(calls, seconds):
    """Times per contestant, sampled in turn."""
    batches, cost = [], 0.0
    for call in calls:
        batch, one = 1, sample(call, 1)
        while one * batch < SAMPLE:
            batch *= 2
            one = sample(call, batch)
        batches.append(batch)
        cost += one * (batch + 1)
    repetitions = min(max(int(seconds / cost), 7), 1001)
    times = [[] for _ in calls]
    for _ in range(repetitions):
        for call, batch, record in zip(calls, batches, times):
            record.append(sample(call, batch))
    return times


def moment():
    """Now, and so far: how often others took a processor away, and seconds that the processors worked for them."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    try:
        with open("/proc/stat") as f:
            user, nice, system, _, _, irq, soft, steal, *_ = map(int, f.readline().split()[1:])
        busy = (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        busy = math.nan
    return np.array([time.perf_counter(), own.ru_nivcsw, busy - own.ru_utime - own.ru_stime])


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive")


# ---- The run -----------------------------------------------------------------------------------------------------

def peer_calls(case, op):
    found = []
    if case.numpy(op):
        found.append((f"NumPy {np.__version__}", case.numpy(op)))
    if case.pytorch(op):
        found.append((f"PyTorch {torch.__version__}", case.pytorch(op)))
    return found


def row(case, op, text, ours, peer, theirs):
    values = dict.fromkeys(COLUMNS, "")
    q1, median, q3 = quartiles(ours)
    r1, ratio, r3 = quartiles([t / o for t, o in zip(theirs, ours)])
    values.update(op=op, layout=case.layout, dtype="f32", shape=text, threads=case.threads, isa=case.library.isa,
                  median_ms=f"{median * 1e3:.6g}", best_ms=f"{min(ours) * 1e3:.6g}", q1_ms=f"{q1 * 1e3:.6g}",
                  q3_ms=f"{q3 * 1e3:.6g}", peer=peer, peer_ms=f"{statistics.median(theirs) * 1e3:.6g}",
                  peer_ratio=f"{ratio:.6g}", peer_ratio_q1=f"{r1:.6g}", peer_ratio_q3=f"{r3:.6g}",
                  repetitions=len(theirs))
    return values


def run(case, op, text, seconds):
    """Rows, one for each peer. No time is printed for a wrong answer."""
    ours, peers = case.bnorm(op), peer_calls(case, op)
    case.library.check(case.bnorm("forward")())  # backward needs its saved statistics
    case.library.check(ours())
    for name, call in peers:
        if not case.agrees(op, call()):
            raise RuntimeError(f"bnorm and {name} disagree")
    start = moment()
    own, *times = contest([ours] + [call for _, call in peers], seconds)
    passed, interrupted, others = moment() - start
    rows = [row(case, op, text, own, name, theirs) for (name, _), theirs in zip(peers, times)]
    for r in rows:
        r["interruptions_per_s"], r["others"] = f"{interrupted / passed:.0f}", f"{others / passed:.2f}"
        # as bnorm-bench marks them, see report.c
        r["marked"] = interrupted > 100 * passed or others > (os.cpu_count() - case.threads + 0.2) * passed
    return rows


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def print_summary(rows):
    groups = {}
    for r in rows:
        groups.setdefault((r["op"], r["peer"], r["layout"]), []).append(r)
    size = lambda r: math.prod(map(int, r["shape"].split("x")))
    for (op, peer, layout), group in groups.items():
        group.sort(key=size)
        ratios = [float(r["peer_ratio"]) for r in group]
        worst = min(group, key=lambda r: float(r["peer_ratio"]))
        large = f", without the two smallest {geometric_mean(ratios[2:]):.2f}" if len(ratios) > 2 else ""
        quiet = [float(r["peer_ratio"]) for r in group if not r["marked"]]
        rest = ("" if len(quiet) == len(group) else f"; of those not marked {geometric_mean(quiet):.2f}" if quiet else
                "; all marked, so not to be trusted")
        print(f"{op} {layout} over {peer}: geometric mean {geometric_mean(ratios):.2f}{large}, "
              f"worst {float(worst['peer_ratio']):.2f} at {worst['shape']}{rest}", file=sys.stderr)


def machine(build, library):
    """What every result begins with: the lines of that build folder's bnorm-bench, but for its own peer."""
    bench = os.path.join(build, "perf", "bnorm-bench")
    try:
        lines = subprocess.run([bench, "--machine"], capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError) as error:
        return (f"# machine, compiler and commit are unknown: {error}\n# bnorm: {library.version}, isa {library.isa}\n"
                f"# date: {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}")
    return "\n".join(line for line in lines if not line.startswith("# peer"))


def ops(text):
    names = text.split(",")
    if not set(names) <= {"forward", "backward"}:
        raise argparse.ArgumentTypeError("forward, backward or both, with a comma")
    return names


def shapes(text):
    text = text.replace("matrices", ",".join(MATRICES)).replace("resnet50", ",".join(RESNET50))
    sizes = {name: tuple(map(int, name.split("x"))) for name in text.split(",")}
    if not all(len(size) > 1 and min(size) > 0 for size in sizes.values()):
        raise argparse.ArgumentTypeError("ROWSxC or NxHxWxC")
    return sizes


def positive(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", help="libbnorm.so")
    parser.add_argument("--shapes", type=shapes, default="matrices",
                        help="ROWSxC and NxHxWxC (also with --layout nchw), or a suite: matrices, resnet50")
    parser.add_argument("--op", type=ops, default="forward,backward", help="forward, backward; default both")
    parser.add_argument("--layout", default="nhwc", choices=("nhwc", "nchw"), help="of images")
    parser.add_argument("--threads", type=positive, default=os.cpu_count())
    parser.add_argument("--min-time", type=float, default=1.0, help="seconds for each contest")
    options = parser.parse_args()
    if torch is not None:
        torch.set_num_threads(options.threads)
        torch.set_grad_enabled(False)
    try:
        library = Library(options.library)
    except OSError as error:
        sys.exit(f"peers.py: {error}")

    print(machine(os.path.dirname(os.path.dirname(os.path.abspath(options.library))), library))
    print(f"# peers: NumPy {np.__version__}, PyTorch {torch.__version__ if torch else 'none'}; their times include "
          f"allocating the output\n# python: {platform.python_version()}\n{','.join(COLUMNS)}", flush=True)
    rows, failures = [], 0
    for op in options.op:
        for text, (n, *middle, c) in options.shapes.items():
            layout = "nc" if not middle else options.layout
            dims = (n, c, *middle) if layout == "nchw" else (n, *middle, c)
            try:
                new = run(Case(library, dims, layout, options.threads), op, text, options.min_time)
            except RuntimeError as error:
                print(f"{op} {text}: no time: {error}", file=sys.stderr)
                failures += 1
                continue
            for r in new:
                print(",".join(str(r[name]) for name in COLUMNS), flush=True)
                ours, ratio = float(r["median_ms"]), float(r["peer_ratio"])
                print(f"{op:8} {text:14} {r['peer']:18} bnorm {ours:9.5f} ms   peer {float(r['peer_ms']):9.5f} ms   "
                      f"ratio {ratio:.2f}{'  ! others' if r['marked'] else ''}",
                      file=sys.stderr)
            rows += new
    print_summary(rows)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
