"""What a run tells of its containers: sections of failing tests, properties, files of output, a page, what is kept."""
