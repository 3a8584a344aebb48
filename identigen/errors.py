"""Every error that IdentiGen raises on purpose.

    IdentiGenError
    ├── InputError               what was given cannot be used          exit code 2
    │   ├── PhotoError           not a readable photo
    │   │   └── PhotoTooLarge    more pixels or bytes than allowed
    │   ├── MaskError            a mask that does not fit its photo
    │   └── PlanError            an edit that makes no sense
    ├── ModelError               weights that cannot be used            exit code 2
    │   ├── ModelMissing         never downloaded, or deleted
    │   ├── ModelOffline         needed from the network, which is off
    │   ├── ModelGated           needs an accepted licence or a token
    │   ├── ModelCorrupt         file damaged or of another kind
    │   ├── ModelRefused         its licence forbids commercial use
    │   └── DiskFull             no room for it
    ├── EngineError              the engine cannot do what was asked    exit code 2
    │   ├── OperationUnavailable
    │   └── OutOfMemory          not even the most frugal way fits
    └── Stopped                  somebody asked it to stop

A message is one sentence, sometimes two: what happened, why, and what to do. Only the command line and the page turn
an error into text for people; every other room raises and lets go.
"""


class IdentiGenError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 2


class InputError(IdentiGenError):
    """What was given cannot be used."""


class PhotoError(InputError):
    """The file is not a photo that can be read."""


class PhotoTooLarge(PhotoError):
    """The photo has more pixels or bytes than the settings allow."""


class MaskError(InputError):
    """The mask does not fit its photo."""


class PlanError(InputError):
    """The edit makes no sense, for example because nobody has that number."""


class ModelError(IdentiGenError):
    """Weights that cannot be used."""


class ModelMissing(ModelError):
    """The weights are not on this machine."""


class ModelOffline(ModelError):
    """The weights would have to be fetched, but the network is off or out of reach."""


class ModelGated(ModelError):
    """The hub gives the weights only to those who accepted their licence."""


class ModelCorrupt(ModelError):
    """The file is damaged or not what its record says."""


class ModelRefused(ModelError):
    """The licence forbids commercial use and no setting allows the model by name."""


class DiskFull(ModelError):
    """There is no room for the weights where they belong."""


class EngineError(IdentiGenError):
    """The engine cannot do what was asked."""


class OperationUnavailable(EngineError):
    """No available engine knows this operation."""


class OutOfMemory(EngineError):
    """The device has too little memory, even in the most frugal way of running."""


class Stopped(IdentiGenError):
    """The work was stopped on request; there is no result, and nothing else is to be tried instead."""
