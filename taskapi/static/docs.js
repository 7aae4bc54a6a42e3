SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  // The Authorize dialog only shows the status and OAuth's own fields of an error.
  responseInterceptor: (response) => {
    if (response.url.endsWith("/auth/login") && response.body?.error) {
      response.statusText = response.body.error.message;
      response.data = "";
    }
    return response;
  },
  // Without a token, an operation for which it is optional would be shown as locked.
  plugins: [{
    statePlugins: {
      auth: {
        wrapSelectors: {
          isAuthorized: (original) => (state, security) =>
            original(security && security.filter((each) => each.size)),
        },
      },
    },
  }],
});
