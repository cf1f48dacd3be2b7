"""Clients from a file: bytes → rows (`tables`) → columns (`columns`) → what happens to each row
(`plan`) → the database (`writing`), chunk by chunk in the background (`running`)."""
