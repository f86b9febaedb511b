"""Graph recommenders that learn by autograd: RLMRec's backbones, in their own right.

Ren et al. 2024, "Representation learning with large language models for recommendation"
(WWW), table 2. ``base`` holds what they share: a model is its propagation and its loss.
"""
