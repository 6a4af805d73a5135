/**
 * A certificate for localhost and 127.0.0.1 that signs itself, and its key, which is no secret.
 *
 * @module
 */

/** The certificate, as PEM. */
export const cert = `-----BEGIN CERTIFICATE-----
MIIBmDCCAT6gAwIBAgIUGwqtsZQAPuw4ZGsjVSrq7rH2m14wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTIwMTAzMDY1NFoYDzIxMjYxMTA3
MDMwNjU0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASaeSYVGleu/vef3k3/gB4Z2otAxpb3eG/nQZPhyTaSr/Z4phVJkGqi
JrTR7ObvB4DV1LAp1aNvlI9KUPccGY+Zo2wwajAdBgNVHQ4EFgQU+7U37yw5G8gD
QneqhjLzRw57aBAwHwYDVR0jBBgwFoAU+7U37yw5G8gDQneqhjLzRw57aBAwGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0E
AwIDSAAwRQIhAPIRffwpi0ilpiJs0ODTOO3yzRIzLqzifdv1pTplxhCeAiB6VZMv
1phmdmoDaj4NmOieDo8LUuR2rV7Hp9w5JtTqvQ==
-----END CERTIFICATE-----
`;

/** Its key, as PEM. */
export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggMy98QTWNrnaEF5A
LL6naniWdl9w+xmOK4pmS0KR/5GhRANCAASaeSYVGleu/vef3k3/gB4Z2otAxpb3
eG/nQZPhyTaSr/Z4phVJkGqiJrTR7ObvB4DV1LAp1aNvlI9KUPccGY+Z
-----END PRIVATE KEY-----
`;
