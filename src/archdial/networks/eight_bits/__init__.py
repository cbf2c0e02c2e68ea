"""Plain networks that compute in eight bits: fake quantisation while they are trained, integers where they run."""
