"""Networks: the dual-task net, its backbones and its attention modules."""
