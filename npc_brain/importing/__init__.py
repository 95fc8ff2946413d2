"""Published weights to model directories. Needs the extra `import`; not used at run time."""
