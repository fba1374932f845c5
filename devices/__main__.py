"""`python -m devices`: composition root of the edge."""

import click


@click.group()
def main() -> None:
    """The edge: readers, stations, emulators."""


@main.command()
def station() -> None:
    """Run the readers of a stations.toml."""


if __name__ == "__main__":
    main()
