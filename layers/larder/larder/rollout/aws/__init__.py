"""What only the rollout's function on AWS needs: EventBridge's events, Lambda's Invoke, the line that is a metric."""
