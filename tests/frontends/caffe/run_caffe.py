"""Runs nets by the real Caffe: run_caffe.py JOBS.json; each in a process of its own, for a failed CHECK aborts it.

Python 3.8 with pycaffe; it imports nothing of xir.
"""

import json
import os
import sys

import numpy as np


def forward(job):
    """One net on its feeds; every output blob goes to the file."""
    import caffe

    phase = caffe.TRAIN if job["phase"] == "TRAIN" else caffe.TEST
    net = caffe.Net(job["prototxt"], phase, weights=job["caffemodel"])
    feeds = np.load(job["feeds"])
    for name in feeds.files:
        net.blobs[name].data[...] = feeds[name]
    net.forward()
    np.savez(job["out"], **{name: net.blobs[name].data.copy() for name in net.outputs})


def main():
    """Each job in a child process."""
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    import caffe  # noqa: F401  (once, before the forks)

    for job in jobs:
        child = os.fork()
        if child == 0:
            log = os.open(job["out"] + ".log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            forward(job)
            os._exit(0)
        os.waitpid(child, 0)


main()
