"""`ecgkit predict`: a run applied to raw files, through the pipeline that it was trained with.

What the run is asked must `fit` it; `answers` are made of its outputs, window by window and fused; `remarks`
say what they are worth; a `table` and a `page` are what is written of them.
"""

from __future__ import annotations

from ecgkit.stages.predict.answers import Answer, Failure, Prediction
from ecgkit.stages.predict.call import PredictOptions, run, run_all

__all__ = ["Answer", "Failure", "PredictOptions", "Prediction", "run", "run_all"]
