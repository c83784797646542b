"""Datasets: tasks and tokenised demonstrations as TFDS datasets in ArrayRecord, and loaders over them.

`building` writes a folder, `folder` opens it, `loading` gives batches with a position that can be saved. They need the
extra `data` (tensorflow-datasets and grain), so nothing is imported here; TensorFlow itself is never imported. A folder
is an ordinary TFDS dataset: `tfds.builder_from_directory(FOLDER).as_data_source("train")` reads it without this project.
"""
