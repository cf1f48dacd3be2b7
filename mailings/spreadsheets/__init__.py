"""Tables as files, in (`tables`) and out (`downloads`): CSV, XLSX, vCard."""
