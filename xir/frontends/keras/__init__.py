"""Models of Keras: whole HDF5 files, configurations with weights, archives of Keras 3."""
