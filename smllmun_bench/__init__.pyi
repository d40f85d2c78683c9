"""What type checkers see of the package; `__init__.py` imports the same names when they are used."""

from smllmun_bench.api import compare as compare
from smllmun_bench.api import items as items
from smllmun_bench.api import leaderboard as leaderboard
from smllmun_bench.api import load_task as load_task
from smllmun_bench.api import run as run
from smllmun_bench.api import runs as runs
from smllmun_bench.api import score as score
from smllmun_bench.errors import UserError as UserError
from smllmun_bench.methods.base import Method as Method
from smllmun_bench.methods.base import MethodConfig as MethodConfig
from smllmun_bench.methods.base import Needs as Needs
from smllmun_bench.methods.base import UnlearningData as UnlearningData
from smllmun_bench.methods.shared import streams as streams
from smllmun_bench.models.change import Artifact as Artifact
from smllmun_bench.models.hooks import editing as editing
from smllmun_bench.models.hooks import reading as reading
from smllmun_bench.models.vlm import Vlm as Vlm
from smllmun_bench.results.manifest import RunManifest as RunManifest
from smllmun_bench.results.predictions import read_predictions as read_predictions
from smllmun_bench.results.run_folder import RunFolder as RunFolder
from smllmun_bench.results.run_folder import scores_of as scores_of
from smllmun_bench.schema import Fidelity as Fidelity
from smllmun_bench.schema import Fold as Fold
from smllmun_bench.schema import Item as Item
from smllmun_bench.schema import Kind as Kind
from smllmun_bench.schema import Modality as Modality
from smllmun_bench.schema import Prediction as Prediction
from smllmun_bench.schema import Role as Role
from smllmun_bench.schema import Score as Score
from smllmun_bench.scoring.summary import Summary as Summary
from smllmun_bench.scoring.summary import summarise as summarise
from smllmun_bench.tasks import TaskSpec as TaskSpec
from smllmun_bench.training import losses as losses
from smllmun_bench.training.artifact import as_artifact as as_artifact
from smllmun_bench.training.config import TrainingConfig as TrainingConfig
from smllmun_bench.training.loop import train as train

__version__: str
