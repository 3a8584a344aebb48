"""The industry's label for synthetic content: an XMP packet that says how a picture was changed, and nothing else.

IPTC Photo Metadata Standard, property "Digital Source Type", with the terms of its controlled vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable

from identigen.types import Operation

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="{term}"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def source_type(applied: Iterable[Operation]) -> str | None:
    """The term for a picture to which these operations were applied, as a web address; None when nothing was.

    A new face and a filled-in background are content that no camera saw, by whichever engine; a cover only takes away.
    """
    changes = set(applied) - {Operation.KEEP}
    if not changes:
        return None
    invented = any(not operation.is_cover for operation in changes)
    return VOCABULARY + ("compositeWithTrainedAlgorithmicMedia" if invented else "algorithmicallyEnhanced")


def label(applied: Iterable[Operation]) -> str | None:
    """The XMP packet to be given to `save_photo` or `encode` as `provenance`; None when there is nothing to tell.

    It depends on the operations alone and so cannot hold anything of the source.
    """
    term = source_type(applied)
    return _PACKET.format(term=term) if term else None
