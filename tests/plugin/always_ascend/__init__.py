"""A method of another package: ascent on whole answers, so long ones weigh more."""

from smllmun_bench import Fidelity, MethodConfig, Needs, as_artifact, streams


class AlwaysAscend:
    """L = mean over answers of log p(answer)."""

    name = "always-ascend"
    aliases = ()
    description = "gradient ascent on whole answers"
    fidelity = Fidelity.NEW
    config = MethodConfig
    needs = Needs(forget=True, gradients=True)

    def fit(self, target, data, config, progress):
        from smllmun_bench import train

        def loss(batch):
            return {"forget": batch["forget"].scores.sums().mean()}

        rows = {"forget": streams.forget(data, config.training)}
        return as_artifact(train(target, rows, loss, config.training, seed=data.seed, progress=progress))


METHOD = AlwaysAscend()
