"""From published weights to model directories. Needs the `import` extra; not used at run time."""
