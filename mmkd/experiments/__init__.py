"""Many runs side by side: jobs, what they left behind, and reports of them."""
