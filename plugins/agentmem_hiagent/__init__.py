"""HiAgent: subgoals as chunks of working memory."""
