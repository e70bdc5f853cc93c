"""The report: tables, figures and the page that holds them."""
