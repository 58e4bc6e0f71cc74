"""A source for the tests of the engine, apart from them so that workers can import it: discs, and ways to go wrong."""

import os
import signal
import threading
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator

SIDE = 48


class Discs:
    """Pictures with up to four discs, the later over the earlier; ``moment`` (a method) runs before some of them."""

    names = ("disc", "dot")

    def __init__(self, count, seed=0, moment=None, at=()):
        self.count, self.seed, self.moment, self.at = count, seed, moment, at
        self.config = {"discs": 1, "seed": seed}

    def __setstate__(self, state):
        """In another process: its libraries have the threads that they have by themselves on a machine of two cores."""
        vars(self).update(state)
        cv2.setNumThreads(2)
        threadpool_limits(2)

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if self.moment and i in self.at:
            getattr(self, self.moment)(i)
        random = generator(self.seed, Stream.SCENE, i)
        raster = np.zeros((SIDE, SIDE), np.int32)
        amodal = []
        for k in range(int(random.integers(0, 5))):
            place, radius = random.integers(0, SIDE, 2).tolist(), int(random.integers(2, 12))
            cv2.circle(raster, place, radius, k + 1, -1)
            amodal.append(cv2.circle(np.zeros((SIDE, SIDE), np.uint8), place, radius, 1, -1))
        kept = [k for k in range(len(amodal)) if (raster == k + 1).any()]
        found = Instances(
            random.integers(0, 2, len(kept)),
            masks=Masks.from_label_map(raster, [k + 1 for k in kept]),
            amodal=Masks.from_dense([amodal[k] for k in kept], (SIDE, SIDE)),
            attributes={"tone": ["dark"] * len(kept)},
        )
        pixels = np.repeat((raster * 40 + random.integers(0, 30, raster.shape)).astype(np.uint8)[..., None], 3, 2)
        # The product of two matrices depends on the number of threads that add it up.
        half = float((random.standard_normal((64, 64)) @ random.standard_normal((64, 64))).sum())
        data = cv2.imencode(".jpg", pixels)[1].tobytes()
        return Sample(f"{i:06d}.jpg", data, found, size=(SIDE, SIDE), source="discs", meta={"half": half})

    def where(self, i):
        return f"picture {i} of discs, seed {self.seed}"

    # --- moments ---

    def hang(self, i):
        threading.Event().wait()

    def fail(self, i):
        raise ValueError("no room for a disc")

    def die(self, i):
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self, i):
        os._exit(3)

    def full(self, i):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))

    def meet(self, i):
        import ray

        (Path(self.place) / f"machine-{ray.get_runtime_context().get_node_id()}").touch()
        while len(list(Path(self.place).glob("machine-*"))) < 2:
            threading.Event().wait(0.01)

    def threads(self, i):
        from threadpoolctl import threadpool_info

        assert cv2.getNumThreads() == 1
        assert all(pool["num_threads"] == 1 for pool in threadpool_info()), threadpool_info()


def shards(folder):
    """Name -> bytes of every shard file of a folder."""
    return {path.name: path.read_bytes() for path in Path(folder).glob("shard-*.parquet")}
