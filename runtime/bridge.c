/* How do whole arrays reach a kernel, quickly, and checked on the way?
 *
 * A kernel of lossforge is one function over n rows (`entry`). Here rows are
 * cut into blocks; each block's inputs are checked against their domains and
 * then, while they lie in the cache, given to the kernel. Sums of losses are
 * taken block by block, so that no array of losses is made.
 *
 * Two doors lead here. Python's own (`LOSSFORGE_PYTHON` defined) takes arrays
 * through the buffer protocol, in the limited API, so that one library serves
 * every Python from 3.11 on and NumPy's headers are not needed. Without
 * Python.h, ctypes brings arrays by NumPy's array interface. Both take plain
 * arrays alone and answer "not mine" to everything else, errors included: the
 * Python code behind them does, says and raises what is right then.
 */
#ifdef LOSSFORGE_PYTHON
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#endif

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Numbers a block: 1024 rows of two inputs, weights and three outputs are 48 KiB in float64. */
#define BLOCK 1024
/* The fewest rows a block, however long they are: as many as the widest kernel takes together. */
#define LEAST 64
/* Inputs (targets, predictions, weights) and outputs (loss, gradient, hessian) at most. */
#define MOST 3

typedef void entry(size_t n, size_t K, const void *const *inputs, const void *parameters, void *const *outputs);

/* These and `kernel` are mirrored in bridge.py; every member has 8 bytes. */
enum { ANYTHING, INTERVAL, FINITE_SET, INTEGERS, ONE_HOT, SIMPLEX, LABELS };

typedef struct {
    int64_t kind;
    double low, high;                /* an interval's ends; of integers low, of a simplex the tolerance in high */
    int64_t low_closed, high_closed; /* 0 or 1 */
    const double *values;            /* of a finite set */
    int64_t count;
    int64_t wide; /* whether a row has K numbers */
} domain;

typedef struct {
    entry *run;
    const void *parameters;
    const domain *domains; /* one an input, the weights' last */
    int64_t inputs;        /* without the weights */
    int64_t outputs;
    int64_t weighted;   /* whether the kernel takes weights */
    int64_t size;       /* of a number: 8 or 4 bytes */
    int64_t axes[MOST]; /* an output has K to this power numbers a row */
} kernel;

#if defined(__GNUC__) && !defined(__clang__) /* which unrolls by itself */
#define UNROLLED _Pragma("GCC unroll 4")
#else
#define UNROLLED
#endif

#define ALL(holds)                 \
    UNROLLED                       \
    for (size_t i = 0; i < n; i++) \
        inside &= (holds);

/* Whether n numbers lie in a domain. No loop ends early, so that each is vector code; NaN lies in none. */
#define CHECKS(real, integer, bits, floor_of, magnitude)                                                  \
    static int within_interval_##bits(const domain *d, const real *x, size_t n)                           \
    {                                                                                                     \
        const real low = (real)d->low, high = (real)d->high;                                              \
        integer inside = 1;                                                                               \
        if (low == -high && !d->low_closed && !d->high_closed) /* the real line too */                    \
            ALL(magnitude(x[i]) < high)                                                                   \
        else if (d->low_closed && d->high_closed)                                                         \
            ALL((x[i] >= low) & (x[i] <= high))                                                           \
        else if (d->low_closed)                                                                           \
            ALL((x[i] >= low) & (x[i] < high))                                                            \
        else if (d->high_closed)                                                                          \
            ALL((x[i] > low) & (x[i] <= high))                                                            \
        else                                                                                              \
            ALL((x[i] > low) & (x[i] < high))                                                             \
        return inside != 0;                                                                               \
    }                                                                                                     \
                                                                                                          \
    static int within_two_##bits(real a, real b, const real *x, size_t n)                                 \
    {                                                                                                     \
        integer inside = 1;                                                                               \
        ALL((x[i] == a) | (x[i] == b))                                                                    \
        return inside != 0;                                                                               \
    }                                                                                                     \
                                                                                                          \
    static int within_set_##bits(const domain *d, const real *x, size_t n)                                \
    {                                                                                                     \
        if (d->count <= 2)                                                                                \
            return within_two_##bits((real)d->values[0], (real)d->values[d->count - 1], x, n);            \
        int inside = 1;                                                                                   \
        for (size_t i = 0; i < n; i++) {                                                                  \
            int found = 0;                                                                                \
            for (int64_t j = 0; j < d->count; j++)                                                        \
                found |= x[i] == (real)d->values[j];                                                      \
            inside &= found;                                                                              \
        }                                                                                                 \
        return inside;                                                                                    \
    }                                                                                                     \
                                                                                                          \
    static int within_integers_##bits(const domain *d, const real *x, size_t n)                           \
    {                                                                                                     \
        const real low = (real)d->low;                                                                    \
        integer inside = 1;                                                                               \
        for (size_t i = 0; i < n; i++)                                                                    \
            inside &= (x[i] >= low) & (x[i] < (real)HUGE_VAL) & (x[i] == floor_of(x[i]));                 \
        return inside != 0;                                                                               \
    }                                                                                                     \
                                                                                                          \
    static int within_rows_##bits(const domain *d, const real *x, size_t n, size_t K)                     \
    {                                                                                                     \
        const integer between = d->kind == SIMPLEX;                                                       \
        integer inside = 1;                                                                               \
        for (size_t row = 0; row < n; row++, x += K) {                                                    \
            double total = 0.0;                                                                           \
            for (size_t k = 0; k < K; k++) {                                                              \
                inside &= (x[k] == 0) | (x[k] == 1) | (between & (x[k] > 0) & (x[k] < 1));                \
                total += (double)x[k];                                                                    \
            }                                                                                             \
            inside &= fabs(total - 1.0) <= d->high;                                                       \
        }                                                                                                 \
        return inside != 0;                                                                               \
    }                                                                                                     \
                                                                                                          \
    static int within_##bits(const domain *d, const real *x, size_t n, size_t K)                          \
    {                                                                                                     \
        switch (d->kind) {                                                                                \
        case INTERVAL:                                                                                    \
            return within_interval_##bits(d, x, d->wide ? n * K : n);                                     \
        case FINITE_SET:                                                                                  \
            return within_set_##bits(d, x, n);                                                            \
        case INTEGERS:                                                                                    \
            return within_integers_##bits(d, x, n);                                                       \
        case ONE_HOT:                                                                                     \
        case SIMPLEX:                                                                                     \
            return within_rows_##bits(d, x, n, K);                                                        \
        default:                                                                                          \
            return 1;                                                                                     \
        }                                                                                                 \
    }

CHECKS(double, int64_t, f64, floor, fabs)
CHECKS(float, int32_t, f32, floorf, fabsf)

static int within_labels(const int64_t *x, size_t n, size_t K)
{
    int64_t inside = 1;
    for (size_t i = 0; i < n; i++)
        inside &= (x[i] >= 0) & (x[i] < (int64_t)K);
    return inside != 0;
}

/* Labels index memory: they are checked always. */
static int within(const kernel *k, const domain *d, const void *x, size_t n, size_t K, int check)
{
    if (d->kind == LABELS)
        return within_labels(x, n, K);
    return !check || (k->size == 8 ? within_f64(d, x, n, K) : within_f32(d, x, n, K));
}

/* The sum of 1 to BLOCK numbers in float64: halves are added, as if zeros followed up to a power of two. */
#define HALVED(real, bits)                                                  \
    static double halved_##bits(const real *restrict x, size_t n)           \
    {                                                                       \
        double work[BLOCK];                                                 \
        size_t half = 1;                                                    \
        while (2 * half < n)                                                \
            half *= 2;                                                      \
        const size_t pairs = n > half ? n - half : 0;                       \
        for (size_t i = 0; i < pairs; i++)                                  \
            work[i] = (double)x[i] + (double)x[half + i];                   \
        for (size_t i = pairs; i < half; i++)                               \
            work[i] = (double)x[i];                                         \
        for (half /= 2; half > 0; half /= 2)                                \
            for (size_t i = 0; i < half; i++)                               \
                work[i] += work[half + i];                                  \
        return work[0];                                                     \
    }

HALVED(double, f64)
HALVED(float, f32)

static double halved(const kernel *k, const void *x, size_t n)
{
    return k->size == 8 ? halved_f64(x, n) : halved_f32(x, n);
}

/* Rows a block, a power of two: a function of K alone, so that sums do not depend on who adds. */
static size_t block_rows(size_t K)
{
    size_t rows = BLOCK;
    while (rows > LEAST && rows * K > BLOCK)
        rows /= 2;
    return rows;
}

/* Bytes a number of an input. */
static size_t unit(const kernel *k, int64_t input)
{
    return k->domains[input].kind == LABELS ? sizeof(int64_t) : (size_t)k->size;
}

/* Numbers a row of an output. */
static size_t width(int64_t axes, size_t K)
{
    return axes == 0 ? 1 : axes == 1 ? K : K * K;
}

/* Run the rows from begin to end; 0 as soon as a block holds a number outside its domain, or when one is misaligned.
 *
 * With `sums` the first output is not written: its sum over each block from `begin` on goes there, and to
 * `weight_sums` that of the weights where there are some. Then begin must be a multiple of block_rows(K).
 */
int lossforge_rows(
    const kernel *k, size_t begin, size_t end, size_t K, int check, const void *const *inputs, void *const *outputs,
    double *sums, double *weight_sums)
{
    double scratch[BLOCK];
    const size_t rows = block_rows(K), size = (size_t)k->size;
    const int64_t arrays = k->inputs + (k->weighted != 0);
    for (int64_t i = 0; i < arrays; i++)
        if ((uintptr_t)inputs[i] & (unit(k, i) - 1))
            return 0;
    for (int64_t i = 0; i < k->outputs; i++)
        if ((uintptr_t)outputs[i] & (size - 1))
            return 0;
    for (size_t at = begin, block = 0; at < end; at += rows, block++) {
        const size_t n = end - at < rows ? end - at : rows;
        const void *in[MOST] = {NULL};
        void *out[MOST] = {NULL};
        for (int64_t i = 0; i < arrays; i++) {
            if (inputs[i] == NULL)
                continue;
            in[i] = (const char *)inputs[i] + at * (k->domains[i].wide ? K : 1) * unit(k, i);
            if (!within(k, &k->domains[i], in[i], n, K, check))
                return 0;
        }
        for (int64_t i = 0; i < k->outputs; i++)
            if (outputs[i] != NULL)
                out[i] = (char *)outputs[i] + at * width(k->axes[i], K) * size;
        if (sums != NULL)
            out[0] = scratch;
        k->run(n, K, in, k->parameters, out);
        if (sums != NULL)
            sums[block] = halved(k, scratch, n);
        if (weight_sums != NULL && k->weighted && in[k->inputs] != NULL)
            weight_sums[block] = halved(k, in[k->inputs], n);
    }
    return 1;
}

/* An array as a caller gave it, contiguous and of native numbers. */
typedef struct {
    void *data;
    const ptrdiff_t *shape;
    int axes;
    char kind;   /* 'f' for floating, 'i' for signed integers, others are not taken */
    size_t size; /* bytes a number */
    size_t length; /* bytes in all */
} array;

/* The forms of one kernel: for targets like the predictions in float64 and float32, and for labels; NULL for none. */
typedef struct {
    const kernel *kernels[4];
    int64_t target; /* which input y is, -1 without targets */
    int64_t vector;
} forms;

typedef struct {
    const kernel *k;
    size_t n, K, begin, end;
    int check, held, leading; /* leading: how many axes the batch has */
    array arrays[2 * MOST];   /* all that are held, the predictions first */
    const void *inputs[MOST];
    void *outputs[MOST];
} call;

static int same_lengths(const array *a, const array *b, int axes)
{
    for (int i = 0; i < axes; i++)
        if (a->shape[i] != b->shape[i])
            return 0;
    return 1;
}

/* Take y, f and the weights, NULL for none; 0 when they do not fit each other. */
static int take_inputs(call *c, const forms *f, const array *target, const array *prediction, const array *weight)
{
    const size_t size = prediction->size;
    if (prediction->kind != 'f' || (size != 8 && size != 4) || prediction->axes < 1 + (f->vector != 0))
        return 0;
    c->inputs[0] = c->inputs[1] = c->inputs[2] = NULL;
    c->outputs[0] = c->outputs[1] = c->outputs[2] = NULL;
    c->leading = prediction->axes - (f->vector != 0);
    c->K = f->vector ? (size_t)prediction->shape[c->leading] : 1;
    c->n = 1;
    for (int i = 0; i < c->leading; i++)
        c->n *= (size_t)prediction->shape[i];
    int which = size == 4, at = 0;
    if (f->target < 0 ? target != NULL : target == NULL)
        return 0;
    if (target != NULL) {
        if (target->axes > prediction->axes || !same_lengths(target, prediction, target->axes))
            return 0;
        if (f->vector && target->kind == 'i' && target->size == 8 && target->axes == c->leading)
            which += 2;
        else if (target->kind != 'f' || target->size != size || target->axes != prediction->axes)
            return 0;
        c->inputs[f->target] = target->data;
        at = 1 - (int)f->target;
    }
    c->inputs[at] = prediction->data;
    c->k = f->kernels[which];
    if (c->k == NULL || c->K == 0)
        return 0;
    if (weight != NULL) {
        if (!c->k->weighted || weight->kind != 'f' || weight->size != size || weight->axes != c->leading
            || !same_lengths(weight, prediction, c->leading))
            return 0;
        c->inputs[c->k->inputs] = weight->data;
    }
    return 1;
}

static int apart(const array *a, const array *b)
{
    return (uintptr_t)a->data + a->length <= (uintptr_t)b->data || (uintptr_t)b->data + b->length <= (uintptr_t)a->data;
}

/* Take an output, the last array held; 0 when it does not fit, or shares memory with the others held. */
static int take_output(call *c, int i)
{
    const array *prediction = &c->arrays[0], *out = &c->arrays[c->held - 1];
    const int axes = (int)c->k->axes[i];
    if (out->kind != 'f' || out->size != prediction->size || out->axes != c->leading + axes
        || !same_lengths(out, prediction, c->leading))
        return 0;
    for (int j = 0; j < axes; j++)
        if ((size_t)out->shape[c->leading + j] != c->K)
            return 0;
    for (int j = 0; j < c->held - 1; j++)
        if (!apart(out, &c->arrays[j]))
            return 0;
    c->outputs[i] = out->data;
    return 1;
}

/* Run what was taken, or sum. */
int lossforge_go(call *c, double *sums, double *weight_sums)
{
    return lossforge_rows(c->k, c->begin, c->end, c->K, c->check, c->inputs, c->outputs, sums, weight_sums);
}

/* Below this many numbers, a few microseconds of work, others gain less from Python's lock than asking for it costs. */
#define RELEASED 4096

/* What NumPy's __array_struct__ points to (numpy.org/doc/stable/reference/arrays.interface.html). */
typedef struct {
    int two, nd;
    char typekind;
    int itemsize, flags;
    ptrdiff_t *shape, *strides;
    void *data;
    void *descr;
} interface;

enum { CONTIGUOUS = 0x1, NATIVE = 0x200, WRITEABLE = 0x400 };

typedef void *pointer_of(void *capsule, const char *name);

static pointer_of *get_pointer;
static void *none;

/* Before the first lossforge_enter: tell where PyCapsule_GetPointer and None are. */
void lossforge_begin(pointer_of *get, void *none_is)
{
    get_pointer = get;
    none = none_is;
}

static array *hold_interface(call *c, void *capsule, int flags)
{
    const interface *x = capsule == none ? NULL : get_pointer(capsule, NULL);
    if (x == NULL || x->two != 2 || (x->flags & flags) != flags)
        return NULL;
    array *held = &c->arrays[c->held++];
    *held = (array){x->data, x->shape, x->nd, x->typekind, (size_t)x->itemsize, (size_t)x->itemsize};
    for (int i = 0; i < x->nd; i++)
        held->length *= (size_t)x->shape[i];
    return held;
}

/* What ctypes asks for, in one argument because each costs. Arrays come as their __array_struct__, or None. */
typedef struct {
    call *opened;
    const forms *forms;
    void *y, *f, *weight, *outs[MOST];
    int64_t check;
    size_t begin, end; /* an end beyond the rows stands for their number */
} request;

/* The door of ctypes, which keeps Python's lock. Answers 0 for "not mine", else 1 when the rows were run or, if
 * `opened` is given, taken there for `lossforge_go`; 2 where the rows are so many that the caller should do the latter.
 */
int lossforge_enter(const request *r)
{
    call own, *c = r->opened != NULL ? r->opened : &own;
    const array *target = NULL, *weights = NULL, *prediction;
    const int flags = CONTIGUOUS | NATIVE;
    c->held = 0;
    prediction = hold_interface(c, r->f, flags);
    if (prediction == NULL || (r->y != none && (target = hold_interface(c, r->y, flags)) == NULL)
        || (r->weight != none && (weights = hold_interface(c, r->weight, flags)) == NULL)
        || !take_inputs(c, r->forms, target, prediction, weights))
        return 0;
    for (int i = 0; r->outs[0] != none && i < c->k->outputs; i++)
        if (hold_interface(c, r->outs[i], flags | WRITEABLE) == NULL || !take_output(c, i))
            return 0;
    c->begin = r->begin;
    c->end = r->end < c->n ? r->end : c->n;
    c->check = r->check != 0;
    if (r->opened != NULL)
        return c->begin <= c->end;
    return c->n * c->K >= RELEASED ? 2 : lossforge_go(c, NULL, NULL);
}

/* What bridge.py believes of the structures above is compared with this. */
size_t lossforge_layout(void)
{
    return (sizeof(domain) * 1000 + sizeof(kernel)) * 1000 + sizeof(call);
}

#ifdef LOSSFORGE_PYTHON

/* One kernel, and what is needed of NumPy. */
typedef struct {
    PyObject ob_base;
    const forms *forms;
    PyObject *array;     /* numpy.ndarray */
    PyObject *empty;     /* numpy.empty */
    PyObject *dtypes[2]; /* float64, float32 */
    PyObject *keep;      /* owns what `forms` points to */
} Bound;

typedef struct {
    call c;
    Py_buffer views[2 * MOST]; /* where the arrays of the call come from */
} Call;

static void release(Call *call)
{
    while (call->c.held > 0)
        PyBuffer_Release(&call->views[--call->c.held]);
}

/* Hold an array; NULL, without an exception, for what is not plain. */
static array *hold(const Bound *self, Call *call, PyObject *x, int flags)
{
    if ((PyObject *)Py_TYPE(x) != self->array)
        return NULL;
    Py_buffer *view = &call->views[call->c.held];
    if (PyObject_GetBuffer(x, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | flags) < 0) {
        PyErr_Clear();
        return NULL;
    }
    array *held = &call->c.arrays[call->c.held++];
    const char *format = view->format, letter = format != NULL && format[0] != '\0' ? format[0] : '?';
    if (letter == '?' || format[1] != '\0')
        return NULL;
    const char kind = letter == 'd' || letter == 'f' ? 'f' : letter == 'l' || letter == 'q' ? 'i' : '?';
    *held = (array){view->buf, view->shape, view->ndim, kind, (size_t)view->itemsize, (size_t)view->len};
    return held;
}

static int open_inputs(const Bound *self, Call *call, PyObject *y, PyObject *f, PyObject *weight)
{
    call->c.held = 0;
    const array *target = NULL, *weights = NULL, *prediction = hold(self, call, f, 0);
    return prediction != NULL && (y == Py_None || (target = hold(self, call, y, 0)) != NULL)
           && (weight == Py_None || (weights = hold(self, call, weight, 0)) != NULL)
           && take_inputs(&call->c, self->forms, target, prediction, weights);
}

/* A new array for an output. */
static PyObject *allocate(const Bound *self, const call *c, int axes)
{
    PyObject *shape = PyTuple_New(c->leading + axes);
    for (int i = 0; shape != NULL && i < c->leading + axes; i++) {
        PyObject *length = PyLong_FromSsize_t(i < c->leading ? c->arrays[0].shape[i] : (Py_ssize_t)c->K);
        if (length == NULL || PyTuple_SetItem(shape, i, length) < 0)
            Py_CLEAR(shape);
    }
    if (shape == NULL)
        return NULL;
    PyObject *made = PyObject_CallFunctionObjArgs(self->empty, shape, self->dtypes[c->k->size == 4], NULL);
    Py_DECREF(shape);
    return made;
}

static int go(call *c, double *sums, double *weight_sums)
{
    PyThreadState *state = (c->end - c->begin) * c->K >= RELEASED ? PyEval_SaveThread() : NULL;
    const int done = lossforge_go(c, sums, weight_sums);
    if (state != NULL)
        PyEval_RestoreThread(state);
    return done;
}

static PyObject *not_mine(Call *call)
{
    release(call);
    Py_RETURN_NONE;
}

/* args: y, f, sample_weight, out, check_domain. */
static PyObject *evaluate(const Bound *self, PyObject *const *args, size_t begin, size_t end)
{
    Call call;
    PyObject *out = args[3], *results[MOST] = {NULL}, *answer = NULL;
    if (args[4] != Py_True && args[4] != Py_False)
        Py_RETURN_NONE;
    if (!open_inputs(self, &call, args[0], args[1], args[2]))
        return not_mine(&call);
    const int count = (int)call.c.k->outputs, tuple = PyTuple_CheckExact(out);
    call.c.begin = begin;
    call.c.end = end < call.c.n ? end : call.c.n;
    call.c.check = args[4] == Py_True;
    if (begin > call.c.end || (out != Py_None && (tuple ? PyTuple_Size(out) != count : count != 1)))
        return not_mine(&call);
    int plain = 1;
    for (int i = 0; i < count && plain; i++) {
        PyObject *given = tuple ? PyTuple_GetItem(out, i) : out;
        if (given == Py_None)
            given = allocate(self, &call.c, (int)call.c.k->axes[i]);
        else
            Py_XINCREF(given);
        if (given == NULL)
            goto failed;
        results[i] = given;
        plain = hold(self, &call, given, PyBUF_WRITABLE) != NULL && take_output(&call.c, i);
    }
    if (!plain || !go(&call.c, NULL, NULL)) {
        Py_INCREF(Py_None);
        answer = Py_None;
    } else if (count == 1) {
        answer = results[0];
        results[0] = NULL;
    } else if ((answer = PyTuple_New(count)) != NULL) {
        for (int i = 0; i < count; i++) {
            PyTuple_SetItem(answer, i, results[i]);
            results[i] = NULL;
        }
    }
failed:
    release(&call);
    for (int i = 0; i < count; i++)
        Py_XDECREF(results[i]);
    return answer;
}

static int arguments(Py_ssize_t given, Py_ssize_t wanted)
{
    if (given == wanted)
        return 1;
    PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", wanted, given);
    return 0;
}

static PyObject *bound_run(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (!arguments(count, 6))
        return NULL;
    /* Several threads are Python's work; True is no number of threads. */
    if ((PyObject *)Py_TYPE(args[5]) != (PyObject *)&PyLong_Type || PyLong_AsLong(args[5]) != 1) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return evaluate((const Bound *)self, args, 0, SIZE_MAX);
}

static int range(PyObject *from, PyObject *to, size_t *begin, size_t *end)
{
    *begin = PyLong_Check(from) ? PyLong_AsSize_t(from) : (size_t)-1;
    *end = PyLong_Check(to) ? PyLong_AsSize_t(to) : 0;
    PyErr_Clear();
    return *begin <= *end;
}

static PyObject *bound_part(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    size_t begin, end;
    if (!arguments(count, 7))
        return NULL;
    if (!range(args[5], args[6], &begin, &end))
        Py_RETURN_NONE;
    return evaluate((const Bound *)self, args, begin, end);
}

static PyObject *as_list(const double *numbers, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *number = PyFloat_FromDouble(numbers[i]);
        if (number == NULL || PyList_SetItem(list, (Py_ssize_t)i, number) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* y, f, sample_weight, check_domain, begin, end -> the sums of losses and (or None) of weights over each block. */
static PyObject *bound_sums(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    size_t begin, end;
    if (!arguments(count, 6))
        return NULL;
    Call call;
    if ((args[3] != Py_True && args[3] != Py_False) || !range(args[4], args[5], &begin, &end))
        Py_RETURN_NONE;
    if (!open_inputs((const Bound *)self, &call, args[0], args[1], args[2]))
        return not_mine(&call);
    const size_t rows = block_rows(call.c.K), blocks = (end - begin + rows - 1) / rows;
    if (call.c.k->outputs != 1 || call.c.k->axes[0] != 0 || end > call.c.n || begin % rows)
        return not_mine(&call);
    double *sums = malloc(2 * (blocks + 1) * sizeof(double)), *weight_sums = sums + blocks;
    if (sums == NULL) {
        release(&call);
        return PyErr_NoMemory();
    }
    PyObject *answer = NULL, *losses = NULL, *weights = NULL;
    call.c.begin = begin;
    call.c.end = end;
    call.c.check = args[3] == Py_True;
    if (!go(&call.c, sums, weight_sums)) {
        Py_INCREF(Py_None);
        answer = Py_None;
    } else if ((losses = as_list(sums, blocks)) != NULL) {
        if (args[2] != Py_None) {
            weights = as_list(weight_sums, blocks);
        } else {
            Py_INCREF(Py_None);
            weights = Py_None;
        }
        answer = weights == NULL ? NULL : PyTuple_Pack(2, losses, weights);
    }
    free(sums);
    release(&call);
    Py_XDECREF(losses);
    Py_XDECREF(weights);
    return answer;
}

static void bound_dealloc(PyObject *object)
{
    Bound *self = (Bound *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->array);
    Py_XDECREF(self->empty);
    Py_XDECREF(self->dtypes[0]);
    Py_XDECREF(self->dtypes[1]);
    Py_XDECREF(self->keep);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(object);
    Py_DECREF(type);
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))bound_##name, METH_FASTCALL, NULL}

static PyMethodDef bound_methods[] = {METHOD(run), METHOD(part), METHOD(sums), {NULL, NULL, 0, NULL}};

static PyType_Slot bound_slots[] = {
    {Py_tp_dealloc, (void *)bound_dealloc},
    {Py_tp_methods, bound_methods},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "lossforge_bridge.Bound",
    .basicsize = sizeof(Bound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

/* bind(address of forms, ndarray, empty, float64, float32, keep) */
static PyObject *bridge_bind(PyObject *module, PyObject *args)
{
    unsigned long long address;
    PyObject *array, *empty, *f64, *f32, *keep;
    if (!PyArg_ParseTuple(args, "KOOOOO", &address, &array, &empty, &f64, &f32, &keep))
        return NULL;
    PyObject *type = PyObject_GetAttrString(module, "Bound");
    if (type == NULL)
        return NULL;
    allocfunc make = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    Bound *bound = (Bound *)make((PyTypeObject *)type, 0);
    Py_DECREF(type);
    if (bound == NULL)
        return NULL;
    bound->forms = (const forms *)(uintptr_t)address;
    Py_INCREF(bound->array = array);
    Py_INCREF(bound->empty = empty);
    Py_INCREF(bound->dtypes[0] = f64);
    Py_INCREF(bound->dtypes[1] = f32);
    Py_INCREF(bound->keep = keep);
    return (PyObject *)bound;
}

static int bridge_exec(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&bound_spec);
    return type == NULL || PyModule_AddObjectRef(module, "Bound", type) < 0 ? (Py_XDECREF(type), -1)
                                                                            : (Py_DECREF(type), 0);
}

static PyMethodDef bridge_methods[] = {{"bind", bridge_bind, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot bridge_slots[] = {{Py_mod_exec, (void *)bridge_exec}, {0, NULL}};

static PyModuleDef bridge_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "lossforge_bridge",
    .m_methods = bridge_methods,
    .m_slots = bridge_slots,
};

PyMODINIT_FUNC PyInit_lossforge_bridge(void)
{
    return PyModuleDef_Init(&bridge_module);
}

#endif
