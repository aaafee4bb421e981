"""The pages, each with what answers its addresses."""
