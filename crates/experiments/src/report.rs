//! Tables, plots, pictures and the page that gathers them: pure functions of saved records.
