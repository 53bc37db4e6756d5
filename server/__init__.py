"""The collector: stores runs, follows findings, links them to engineers and computes the KPIs."""
