"""How long a pass of a Decision Transformer takes, by size and by the rows that it judges.

    .venv/bin/python -m benchmarks.planner.passes

Weights are random: they do not matter for the time, which is processor time of one thread.
"""

from collections.abc import Sequence

import torch

from benchmarks.planner.batches import seconds
from spec_control_ros.transformer.network import DecisionTransformer, KeyValueCache, TransformerDimensions

SIZES = ((3, 128, 4), (8, 320, 5), (8, 512, 8), (12, 768, 12), (16, 1024, 16))  # blocks, width, heads
ROWS, CONTEXT = (1, 6, 12), 7


def main(sizes: Sequence[tuple[int, int, int]] = SIZES) -> None:
    """Print a table."""
    torch.set_num_threads(1)
    print("| blocks | width | parameters |" + "".join(f" {rows} rows (ms) |" for rows in ROWS))
    print("|---" * (3 + len(ROWS)) + "|")
    for layers, width, heads in sizes:
        dims = TransformerDimensions(latent=512, width=width, layers=layers, heads=heads)
        network = DecisionTransformer(dims).eval()
        millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        times = "".join(f" {1e3 * pass_s(network, rows):.1f} |" for rows in ROWS)
        print(f"| {layers} | {width} | {millions:.1f} M |{times}")


@torch.inference_mode()
def pass_s(network: DecisionTransformer, rows: int) -> float:
    """Processor time (s) of a pass over so many new rows, after a context that is in the cache."""
    dims = network.dims
    latents, actions = torch.randn(CONTEXT + rows, dims.latent), torch.randn(CONTEXT + rows, dims.action)
    cache = KeyValueCache(dims)
    network.means(1.0, latents[:CONTEXT], actions[:CONTEXT], cache)
    context = cache.length

    def judge() -> None:
        cache.length = context  # takes the rows of the pass before back
        network.means(1.0, latents, actions, cache)

    return seconds(judge)


if __name__ == "__main__":
    main()
