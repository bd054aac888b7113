/*
 * A security key in software, for tests: OpenSSH loads it in place of a real device (SSH_SK_PROVIDER,
 * sk-api.h). Its key handle is the private key itself. It takes its cryptography from the libcrypto that
 * OpenSSH's helper has loaded already. SOFTKEY_FLAGS are the flags of its signatures: 1 is "touched".
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef VERSION
#define VERSION 0x000a0000
#endif
#define ED25519 1

typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_md_ctx_st EVP_MD_CTX;
#define EVP_PKEY_ED25519 1087
EVP_PKEY *EVP_PKEY_new_raw_private_key(int, void *, const unsigned char *, size_t);
int EVP_PKEY_get_raw_public_key(const EVP_PKEY *, unsigned char *, size_t *);
EVP_MD_CTX *EVP_MD_CTX_new(void);
int EVP_DigestSignInit(EVP_MD_CTX *, void *, const void *, void *, EVP_PKEY *);
int EVP_DigestSign(EVP_MD_CTX *, unsigned char *, size_t *, const unsigned char *, size_t);
unsigned char *SHA256(const unsigned char *, size_t, unsigned char *);
int RAND_bytes(unsigned char *, int);

struct enrolled {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation;
	size_t attestation_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct signed_ {
	uint8_t flags;
	uint32_t counter;
	uint8_t *r;
	size_t r_len;
	uint8_t *s;
	size_t s_len;
};

uint32_t sk_api_version(void) { return VERSION; }

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application, uint8_t flags,
    const char *pin, void **options, struct enrolled **out)
{
	if (alg != ED25519)
		return -2; /* unsupported */
	struct enrolled *e = calloc(1, sizeof(*e));
	size_t len = 32;
	e->flags = flags;
	e->key_handle = malloc(len);
	e->key_handle_len = len;
	RAND_bytes(e->key_handle, 32);
	e->public_key = malloc(len);
	EVP_PKEY_get_raw_public_key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, 0, e->key_handle, 32), e->public_key, &len);
	e->public_key_len = len;
	/* Never looked at, but it must not be empty. */
	e->signature = calloc(1, e->signature_len = 64);
	e->attestation = calloc(1, e->attestation_len = 1);
	e->authdata = calloc(1, e->authdata_len = 1);
	*out = e;
	return 0;
}

int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application, const uint8_t *handle,
    size_t handle_len, uint8_t flags, const char *pin, void **options, struct signed_ **out)
{
	uint8_t message[32 + 1 + 4 + 32];
	const char *wanted = getenv("SOFTKEY_FLAGS");
	uint8_t set = wanted ? atoi(wanted) : 1;
	struct signed_ *s = calloc(1, sizeof(*s));
	size_t len = 64;

	if (alg != ED25519 || handle_len != 32)
		return -1;
	SHA256((const unsigned char *)application, strlen(application), message);
	message[32] = set;
	memcpy(message + 33, "\0\0\0\7", 4);
	SHA256(data, data_len, message + 37);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_DigestSignInit(ctx, 0, 0, 0, EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, 0, handle, 32));
	s->r = malloc(len);
	if (EVP_DigestSign(ctx, s->r, &len, message, sizeof(message)) != 1)
		return -1;
	s->r_len = len;
	s->flags = set;
	s->counter = 7;
	*out = s;
	return 0;
}

int sk_load_resident_keys(const char *pin, void **options, void ***keys, size_t *n)
{
	*n = 0;
	return 0;
}
