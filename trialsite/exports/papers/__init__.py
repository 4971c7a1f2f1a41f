"""Papers: a participant's casebook, empty forms, the narrative of a serious event; each as far as its reader sees."""
