"""Names of the two kinds of trained model, as datasets and tables have them.

Belongs here: the names alone, so that they can be had without torch. Not here: how they are shown (methods/).
"""

REGIONAL_MODEL = "regional_model"
STATION_MODEL = "station_model"
