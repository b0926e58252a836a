"""Training jobs on Amazon SageMaker: what a request becomes there, and the steps of the state machine around it."""
