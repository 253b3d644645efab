"""Networks of keras.applications in every format in and out, beside TensorFlow's own converters: `make applications`.

`architectures` says which, `foreign` is what runs where Keras and TensorFlow are installed, `judge` what runs here,
`ways` each way of a network, `table` what was measured. A network is made again for each run, with random weights.
"""
