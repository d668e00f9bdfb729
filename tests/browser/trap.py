"""A responder whose answer would run a script in a page that takes it for HTML."""

from handlers.quoting import Quote, QuoteRequest


def quote(request: QuoteRequest) -> Quote:
    return Quote(9999, details={"<img src=x onerror=\"window.ran='key'\">": "</script><script>window.ran='value'</script>"})
