"""`python -m smllmun_bench` is `smllmun-bench`."""

from smllmun_bench.cli.main import main

main()
